"""The Streamlit app: point at a place in a picture and see where a network looks from there."""
