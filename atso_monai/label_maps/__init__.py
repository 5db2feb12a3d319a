"""Label maps as data: what the values of public data sets mean, and which classes they become."""

from atso_monai.label_maps.table import LabelTable, load_table, table_names

__all__ = ["LabelTable", "load_table", "table_names"]
