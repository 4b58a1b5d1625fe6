package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Help shows an example.
func (versionCmd) Help() string { return "Examples:\n\n\tetl version" }

// Run prints the version of the module, the commit and Go's version.
func (versionCmd) Run(s Streams) error {
	_, err := fmt.Fprintln(s.Out, "etl", Version())
	return err
}

// Version returns the module's version, the commit if the build recorded it, Go's version and the platform.
func Version() string {
	version, commit := "devel", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = " " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += " modified"
			}
		}
	}
	return fmt.Sprintf("%s%s %s %s/%s", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
