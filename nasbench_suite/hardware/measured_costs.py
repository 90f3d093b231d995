"""A column of a table as a cost model: measured latencies and energies, or sums over measured operators."""

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes
from nasbench_suite.tasks import load_benchmark


class MeasuredCosts(CostModel):
    """Looks costs up.

    Parameters
    ----------
    task
        Whose table has them.
    metric
        The column.
    quantity, device
        What it is; see `CostModel`.

    Raises
    ------
    UnknownNameError
        When the table has no such metric, or it is not visible to a search.
    NasbenchSuiteError
        When the table is not here.
    """

    def __init__(self, task: str, metric: str, quantity: str, device: str = ""):
        self._benchmark = load_benchmark(task)
        self.task, self.metric = task, metric
        self.quantity, self.device = quantity, device
        self.space = self._benchmark.space
        visible = [name for name, found in self._benchmark.metrics.items() if found.role != "test"]
        if metric not in visible:
            raise UnknownNameError(f"cost in {task} called", metric, visible)
        self.direction = self._benchmark.metrics[metric].direction

    @property
    def unit(self) -> str:
        """Unit of the column."""
        return self._benchmark.metrics[self.metric].unit

    @property
    def origin(self) -> str:
        """Where costs come from."""
        return f"measured, as {self.task} has it"

    @property
    def sha256(self) -> str:
        """SHA-256 of the table that is looked up."""
        return str(getattr(getattr(self._benchmark, "table", self._benchmark), "sha256", ""))

    def predict(self, genes: Genes) -> Costs:
        """Return what the table says, NaN where it was not measured; see `CostModel.predict`."""
        return self._benchmark.query(genes, info=[self.metric]).info[self.metric]
