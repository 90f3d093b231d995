"""AutoGAN: its controller by hand, growth and beam, rewards and resets, and whole searches on a tiny task."""

from itertools import product

import numpy as np
import pytest
import torch
from gan_tasks import QUICK, rank_few, tiny_gan_setting
from scipy.signal import lfilter
from scipy.special import expit
from supernet_tasks import FEW, tiny_setting

from nasbench_suite import NasbenchSuiteError, get_space, get_strategy
from nasbench_suite.strategies import autogan, one_shot
from nasbench_suite.strategies.autogan import moved
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.strategies.cell_controller import Beam, CellController


@pytest.fixture(autouse=True)
def few_are_ranked(monkeypatch):
    monkeypatch.setattr(one_shot, "RANKED", FEW)
    monkeypatch.setattr(autogan, "RANKED_BY", 20)


def searched(space="gan_two_cells", seed=0, training=None, admits=None, **settings):
    strategy = constructor(get_strategy("autogan"))(
        get_space(space),
        runs=1,
        seed=seed,
        training=training or tiny_gan_setting(space),
        admits=admits,
        **{**QUICK, **settings},
    )
    return strategy.searches[0]


# -- the controller ---------------------------------------------------------------------------------


def lstm(controller, value, hidden, cell):
    """Step an LSTM by its equations (input, forget, candidate, output), in numpy."""
    weights = {name: part.detach().numpy() for name, part in controller.lstm.named_parameters()}
    gates = weights["weight_ih"] @ value + weights["bias_ih"] + weights["weight_hh"] @ hidden
    i, f, g, o = np.split(gates + weights["bias_hh"], 4)
    cell = expit(f) * cell + expit(i) * np.tanh(g)
    return expit(o) * np.tanh(cell), cell


def by_hand(controller, row, hidden, cell):
    """Return log-probability, entropy and end state of one cell's genes."""
    value, total, entropy = np.zeros(len(hidden)), 0.0, 0.0
    for gene, chosen in enumerate(row):
        hidden, cell = lstm(controller, value, hidden, cell)
        head = controller.heads[gene]
        logits = head.weight.detach().numpy() @ hidden + head.bias.detach().numpy()
        shares = np.exp(logits) / np.exp(logits).sum()
        total += np.log(shares[chosen])
        entropy -= (shares * np.log(shares)).sum()
        value = controller.values[gene].weight.detach().numpy()[chosen]
    return total, entropy, hidden, cell


@pytest.fixture
def controller():
    torch.manual_seed(0)
    return CellController((2, 3, 2), 4)


def beam(n=3):
    generator = torch.Generator().manual_seed(1)
    hidden, cell = torch.randn(n, 4, generator=generator), torch.randn(n, 4, generator=generator)
    return Beam(torch.arange(2 * n).view(n, 2), hidden, cell)


def test_draws_have_the_probability_and_the_end_that_the_equations_give(controller):
    starts = beam()
    draws = controller.draw(starts, torch.rand(3, 3, generator=torch.Generator().manual_seed(2)))
    for n in range(3):
        row = draws.ends.rows[n, 2:].tolist()
        own = starts.hidden[n].numpy(), starts.cell[n].numpy()
        log_p, entropy, hidden, cell = by_hand(controller, row, *own)
        assert draws.ends.rows[n, :2].tolist() == starts.rows[n].tolist()
        assert float(draws.log_probability[n].detach()) == pytest.approx(log_p, abs=1e-5)
        assert float(draws.entropy[n]) == pytest.approx(entropy, abs=1e-5)
        assert np.allclose(draws.ends.hidden[n], hidden, atol=1e-5)
        assert np.allclose(draws.ends.cell[n], cell, atol=1e-5)


def test_cells_are_drawn_as_often_as_their_probability_says(controller):
    n = 20_000
    starts = beam(1).take(torch.zeros(n, dtype=torch.int64))
    draws = controller.draw(starts, torch.rand(n, 3, generator=torch.Generator().manual_seed(3)))
    rows = draws.ends.rows[:, 2:].numpy()
    total = 0.0
    for row in product(range(2), range(3), range(2)):
        log_p, *_ = by_hand(controller, row, starts.hidden[0].numpy(), starts.cell[0].numpy())
        share = float((rows == row).all(axis=1).mean())
        assert share == pytest.approx(np.exp(log_p), abs=4 * np.sqrt(0.25 / n))
        total += np.exp(log_p)
    assert total == pytest.approx(1, abs=1e-5)


def test_the_gradient_reaches_every_weight(controller):
    controller.draw(beam(64).take(torch.arange(64) % 3), torch.rand(64, 3)).log_probability.sum().backward()
    for name, weight in controller.named_parameters():
        # The value of the last gene is no input of anything.
        assert (weight.grad is None) == name.startswith("values.2"), name


# -- rewards ----------------------------------------------------------------------------------------


def test_the_baseline_is_the_moving_average_of_rewards():
    rewards = np.random.default_rng(0).normal(size=20)
    expected, _ = lfilter([0.1], [1, -0.9], rewards, zi=[0.9 * rewards[0]])
    baseline, found = None, []
    for reward in rewards:
        baseline = moved(baseline, reward, 0.9)
        found.append(baseline)
    assert np.allclose(found, expected)


def test_the_controller_learns_what_is_worth_more(monkeypatch):
    search = searched(controller_steps=60, learning_rate=0.01)
    monkeypatch.setattr(search, "worth", lambda row, signals=0: float(row[1] == 1) + float(row[3] == 1))
    for _ in range(4):
        search.train_controller()
    rows = search._rows(search.drawn(200).ends)
    assert (rows[:, 1] == 1).mean() > 0.8
    assert (rows[:, 3] == 1).mean() > 0.8


@pytest.mark.parametrize("judged_by", ["inception", "frechet"])
def test_what_a_generator_is_worth_is_what_the_judge_says(judged_by):
    search = searched(judged_by=judged_by)
    row = search.space.sample(np.random.default_rng(0), 1)[0]
    judged = search.gan.judge(row, 1, 20)
    expected = {"inception": float(judged.inception), "frechet": -float(judged.frechet_valid.log())}
    assert search.worth(row) == pytest.approx(expected[judged_by], rel=1e-6)


# -- growth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("space", "ends"), [("gan_two_cells", [2, 3]), ("gan", [2, 3, 4])])
def test_generators_grow_by_a_cell_at_the_end_of_each_stage(space, ends):
    search = searched(space)
    depths = []
    while not search.ending:
        row = search.propose()
        depths.append(search.depth)
        cells = get_space(space).cells(row[None])
        for missing in cells[search.depth :]:  # like the last cell that is there, without skip-ins
            assert missing[0, :4].tolist() == cells[search.depth - 1][0, :4].tolist()
            assert not missing[0, 4:].any()
    assert depths == [1 + sum(epoch >= end for end in ends) for epoch in range(ends[-1])]
    assert search.ending == f"all {ends[-1]} epochs are done"


def test_the_best_candidates_of_a_stage_are_what_the_next_one_continues(monkeypatch):
    search = searched(candidates=40, beam_size=5)
    known = {}

    def worth(row, signals=0):
        return known.setdefault(row.tobytes(), float(int.from_bytes(row.tobytes()[:4], "big") % 97))

    monkeypatch.setattr(search, "worth", worth)
    first = search.controller
    for _ in range(2):
        search.propose()
    known.clear()
    search.propose()  # grows, and chooses
    assert search.controller is not first
    rows = {row.tobytes()[:4] for row in search.beam.rows.numpy().astype(np.uint8)}
    judged = sorted({key[:4]: value for key, value in known.items()}.values(), reverse=True)
    assert len(search.beam) == 5
    assert {worth(np.frombuffer(row + bytes(5), dtype=np.uint8)) for row in rows} <= set(judged)
    begun = {row.tobytes()[:4] for row in search._rows(search.drawn(60).ends)}
    assert begun == rows


def test_what_is_chosen_is_the_best_first(monkeypatch):
    search = searched(candidates=30, beam_size=30)
    monkeypatch.setattr(search, "worth", lambda row, signals=0: float(row[:4] @ [8, 4, 2, 1]))
    values = search.chosen().rows.numpy() @ [8, 4, 2, 1]
    assert (np.diff(values) <= 0).all()
    assert len(values) == 30


def test_the_end_is_the_best_of_the_last_candidates(monkeypatch):
    search = searched(first_stage=1, second_stage=1, candidates=50, beam_size=2)
    monkeypatch.setattr(search, "worth", lambda row, signals=0: float(row.sum()))
    search.propose()
    end = search.propose()
    assert search.ending
    # Fifty of 36 * 72: better than nearly all draws.
    sums = search.space.sample(np.random.default_rng(0), 2000).sum(axis=1)
    assert (sums > end.sum()).mean() < 0.15


# -- resets and ends --------------------------------------------------------------------------------


def weights(search):
    return search.gan._adversaries.weights.clone()


def test_losses_that_stand_still_have_the_shared_weights_drawn_again(monkeypatch):
    search = searched(first_stage=3, reset_threshold=1e9, reset_window=3)
    gan, steps = search.gan, []
    step = gan.step
    monkeypatch.setattr(gan, "step", lambda *given: steps.append(1) or step(*given))
    search.propose()
    assert len(steps) == 3  # of four: there the window is full
    assert search.resets == [0]
    assert search.gan is not gan
    assert not torch.equal(weights(search), gan._adversaries.weights)
    search.propose()
    assert search.resets == [0, 1]
    assert search.findings()["resets"] == 2


def test_losses_that_move_leave_the_shared_weights(monkeypatch):
    search = searched(reset_threshold=1e-12, reset_window=3)
    gan = search.gan
    search.propose()
    assert search.gan is gan
    assert search.resets == []
    losses = [len(window) for window in search.losses]
    assert losses == [3, 3]


def test_a_variance_is_what_the_threshold_is_held_against(monkeypatch):
    search = searched(reset_threshold=0.02, reset_window=4)
    for own in ([0.0, 0.0, 0.2, 0.2], [0.0, 0.0, 0.4, 0.4]):  # variances 0.01 and 0.04
        for window in search.losses:
            window.clear()
        for loss in own:
            search._note((loss, 10 * loss))
        assert search._stand_still() == (own[-1] == 0.2)


def test_a_loss_that_is_no_number_ends_the_run_with_its_reason():
    search = searched()
    search.gan._adversaries._own.weights.fill_(float("nan"))
    row = search.propose()
    assert search.ending == "the loss became nan in epoch 1"
    assert search.space.valid(row[None]).all()
    assert search.propose().tolist() == row.tolist()
    assert search.billed_seconds == 0
    assert np.isnan(search.findings()["supernet_accuracy"]).all()


def test_it_finds_what_it_thinks_of_architectures():
    search = searched()
    while not search.ending:
        search.propose()
    found = search.findings()
    assert found["supernet_genes"].shape == (FEW, 9)
    assert ((found["supernet_accuracy"] >= 1) & (found["supernet_accuracy"] <= 10)).all()
    assert found["step_bytes"] > 0
    assert search.depth == 2


def test_constraints_are_kept_to_from_the_first_proposal():
    def admits(rows):
        return rows[:, 2] == 2  # the first cell up-samples by deconvolution

    search = searched(admits=admits)
    while not search.ending:
        assert search.propose()[2] == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_size": 4}, "beam_size 4 is more than the candidates 3"),
        (
            {"training": tiny_setting()},
            "autogan searches generators of GANs, and the archi",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_in_a_sentence(settings, message):
    with pytest.raises(NasbenchSuiteError, match=message):
        searched(**settings)


def test_a_supernet_of_generators_is_refused_in_a_sentence():
    with pytest.raises(NasbenchSuiteError, match="darts trains networks that classify"):
        constructor(get_strategy("darts"))(get_space("gan_two_cells"), training=tiny_gan_setting())


def test_the_helper_for_workers_sets_what_this_module_sets():
    rank_few()
    assert (one_shot.RANKED, autogan.RANKED_BY) == (FEW, 20)
