package cgroup

// Setting is what Limit writes.
type Setting = setting

// Settings returns what limits mean in a layout.
var Settings = Layout.settings

// Metered returns a group that has meters only, which are files below the layout's
// directory for memory.
func Metered(layout Layout, group string, limit int64) *Group {
	return &Group{layout: layout, path: group, limit: limit}
}
