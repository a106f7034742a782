package logstore

// Sweep is what happens every hour, now.
func (s *Store) Sweep() { s.sweep() }

// Loaded is how many groups are in memory.
func (s *Store) Loaded() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recent.Len()
}

// Scan reads a segment's content and returns how much of it is good, and events.
func Scan(data []byte) (good int64, events uint64, err error) {
	s, torn, err := scan("fuzz", data)
	if err != nil {
		return 0, 0, err
	}
	return int64(len(data)) - torn, s.Count, nil
}

// ReadCatalogue reads a list of groups and returns how much of it is good.
func ReadCatalogue(data []byte) (groups, good int) {
	states, _, good := readCatalogue(data)
	return len(states), good
}
