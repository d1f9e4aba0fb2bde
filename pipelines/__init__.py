"""What the app can do, one task per module; every task runs without a screen."""
