"""The proof: mirrors the rooms, plus vectors, contracts, journeys, browser and house rules."""
