"""Records: Django models and the verbs of the business. No HTML."""
