"""Who may use the service, and how much: keys, scopes, limits, the pages of others."""
