package jetstream

// SyncAlways tells whether the server syncs the disk before it answers.
func (s *Store) SyncAlways() bool { return s.server.JetStreamConfig().SyncAlways }
