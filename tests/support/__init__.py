"""What the tests share: clients, flows, the protocol, credentials and concurrency."""
