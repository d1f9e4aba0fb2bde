"""What waits and what runs: a fair queue and one worker thread per device."""
