package logs

// Occupy takes all places of searches from inside.
func (h *Handler) Occupy() {
	for range cap(h.searches) {
		h.searches <- struct{}{}
	}
}
