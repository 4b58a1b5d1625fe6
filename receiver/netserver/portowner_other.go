//go:build !linux

package netserver

// portOwner returns "": other systems are not supported.
func portOwner(string, uint16) string { return "" }
