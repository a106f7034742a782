package mirror

// ReadFile reads what a mirror's file has, for the tests.
func ReadFile(path string) (newest uint64, revisions map[string]uint64, err error) {
	m, err := openFile(path)
	if err != nil {
		return 0, nil, err
	}
	revisions = make(map[string]uint64)
	for key, mark := range m.state.marks {
		revisions[key] = uint64(mark.revision)
	}
	return uint64(m.state.newest), revisions, m.close()
}

// Slack is how much may be dead before the file is compacted.
const Slack = slack
