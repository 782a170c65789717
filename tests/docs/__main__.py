"""``python -m tests.docs``: write the generated tables of the documentation again."""

from tests.docs.markdown import replace_table
from tests.docs.tables import TABLES

for (file, name), rows in TABLES.items():
    replace_table(file, name, rows())
