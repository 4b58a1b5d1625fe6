package cli

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/editdistance"
)

// envPrefix begins every variable that is an option.
const envPrefix = "ETL_"

// foreign reports whether an ETL_ variable is not an option: tests find their servers by ETL_TEST_ variables, and
// Kubernetes describes a service named etl, or etl-mysql, by such variables in every pod of the namespace. The latter are
// recognized by their values too, because one of them, ETL_MYSQL_PORT=tcp://10.0.0.1:3306, has the name of an option.
func foreign(name, value string) bool {
	if strings.HasPrefix(name, envPrefix+"TEST_") {
		return true
	}
	for _, k := range ofKubernetes {
		if k.name.MatchString(name) && k.value.MatchString(strings.TrimSpace(value)) {
			return true
		}
	}
	return false
}

// ofKubernetes are the patterns of the variables that Kubernetes sets for a service, and of their values.
var ofKubernetes = []struct{ name, value *regexp.Regexp }{
	{regexp.MustCompile(`^ETL(_.*)?_SERVICE_HOST$`), ipAddress},
	{regexp.MustCompile(`^ETL(_.*)?_SERVICE_PORT(_[A-Z0-9_]+)?$`), digits},
	{regexp.MustCompile(`^ETL(_.*)?_PORT$`), regexp.MustCompile(`^(tcp|udp|sctp)://`)},
	{regexp.MustCompile(`^ETL(_.*)?_PORT_[0-9]+_(TCP|UDP|SCTP)$`), regexp.MustCompile(`^(tcp|udp|sctp)://`)},
	{regexp.MustCompile(`^ETL(_.*)?_PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO$`), regexp.MustCompile(`^(tcp|udp|sctp)$`)},
	{regexp.MustCompile(`^ETL(_.*)?_PORT_[0-9]+_(TCP|UDP|SCTP)_PORT$`), digits},
	{regexp.MustCompile(`^ETL(_.*)?_PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR$`), ipAddress},
}

var (
	digits    = regexp.MustCompile(`^[0-9]+$`)
	ipAddress = regexp.MustCompile(`^[0-9A-Fa-f.:]+$`)
)

// checkEnvironment reports each ETL_ variable that is not an option of any command, because a typing error would silently
// leave a default in force.
func checkEnvironment(model *kong.Application, environ []string) error {
	known := map[string]bool{}
	for _, flags := range flagsByCommand(model.Node) {
		for _, f := range flags {
			for _, env := range f.Envs {
				known[env] = true
			}
		}
	}
	var errs []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) || known[name] || foreign(name, value) {
			continue
		}
		errs = append(errs, fmt.Sprintf("unknown variable %s%s", name, didYouMean(name, slices.Collect(maps.Keys(known)))))
	}
	if errs == nil {
		return nil
	}
	slices.Sort(errs)
	return usageError{fmt.Errorf("%s", strings.Join(errs, "\n"))}
}

// flagsByCommand returns the flags of each command, including those of its parents, by the command's path.
func flagsByCommand(root *kong.Node) map[string][]*kong.Flag {
	all := map[string][]*kong.Flag{}
	var walk func(n *kong.Node, path string, above []*kong.Flag)
	walk = func(n *kong.Node, path string, above []*kong.Flag) {
		flags := append(slices.Clone(above), n.Flags...)
		all[path] = flags
		for _, c := range n.Children {
			walk(c, strings.TrimSpace(path+" "+c.Name), flags)
		}
	}
	walk(root, "", nil)
	return all
}

// didYouMean returns ", did you mean X?" for the nearest candidates, or "" if none is near. Near is an edit distance of at
// most two, or a quarter of a long name.
func didYouMean(name string, candidates []string) string {
	limit := max(2, len(name)/4)
	best, near := limit+1, []string(nil)
	for _, c := range candidates {
		d := editdistance.Of(name, c)
		if strings.HasPrefix(c, name) {
			d = min(d, limit)
		}
		switch {
		case d < best:
			best, near = d, []string{c}
		case d == best && d <= limit:
			near = append(near, c)
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	if len(near) > 3 {
		near = near[:3]
	}
	return ", did you mean " + strings.Join(near, " or ") + "?"
}
