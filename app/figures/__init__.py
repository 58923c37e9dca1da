"""Arrays to pictures and plotly figures, pure: no session, no cache, no network."""
