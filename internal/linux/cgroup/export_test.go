package cgroup

// Setting is what Limit writes.
type Setting = setting

// Settings returns what limits mean in a layout.
var Settings = Layout.settings
