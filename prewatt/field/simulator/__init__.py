"""The simulated site: faithful prepaid meters behind real Modbus bytes, with their own accounting."""
