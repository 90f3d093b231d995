"""Readers of formats that other programs write: pickles, torch files, TFRecords, protocol buffers, CSV.

Files are taken for hostile: nothing that they name is run, and what is damaged or means harm is a
`DamagedFileError` of one sentence.
"""
