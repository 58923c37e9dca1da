"""The pages, straight scripts that Streamlit runs."""
