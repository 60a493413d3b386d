"""What commands print: tables, rows as text, JSON or CSV, and the explanation of a decision."""
