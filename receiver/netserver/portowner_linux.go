package netserver

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portOwner returns the process that listens on a port of this machine, or its user if only root may see the process.
// It returns "" if no process does, or /proc does not show it.
func portOwner(network string, port uint16) string {
	listening := "0A" // TCP_LISTEN
	if network == "udp" {
		listening = "07" // a datagram socket that is bound
	}
	inodes, user := map[string]bool{}, ""
	for _, table := range []string{"/proc/net/" + network, "/proc/net/" + network + "6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != listening || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			inodes["socket:["+fields[9]+"]"] = true
			user = fields[7]
		}
		_ = f.Close() // only read from
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // its only error is a bad pattern
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && inodes[to] {
			pid := strings.Split(link, "/")[2]
			name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
			if err != nil {
				continue
			}
			return strconv.Quote(strings.TrimSpace(string(name))) + ", pid " + pid
		}
	}
	return "one of user " + user
}
