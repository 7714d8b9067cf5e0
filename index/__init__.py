"""The library: catalog, vector search, filters, prompt bank, batch build, stores.

Import from the modules (`index.open`, `index.query`, ...): this package imports none of them itself.
"""
