package migrate

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	variable   = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
	lookups    = regexp.MustCompile(`\$\{[^{}]*\}`)
	lookupName = regexp.MustCompile(`\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)\}`)
	env        = regexp.MustCompile(`\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}`)
	kafkaTopic = regexp.MustCompile(`^[A-Za-z0-9._-]{1,245}$`)
	address1   = regexp.MustCompile(`^[A-Za-z0-9._:-]*$`)
	rule       = regexp.MustCompile(`^(allow|deny):(ip|name):[^:,\s]\S*$`)
)

// identifier converts any text to the name of a variable.
func identifier(s string) string {
	s = strings.ToUpper(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(s, "_"))
	s = strings.Trim(s, "_")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "_" + s
	}
	return s[:min(len(s), 40)]
}

// variables holds the names of the environment variables that the operator must set. Values that may differ get different
// names.
type variables struct {
	taken map[string]bool
	of    map[string]string
}

// variablesOf returns variables in which the names that the file itself uses are taken.
func variablesOf(f *File) variables {
	v := variables{taken: map[string]bool{}, of: map[string]string{}}
	for _, a := range f.Agents {
		for _, c := range a.Components {
			for _, p := range c.Properties {
				for _, m := range lookupName.FindAllStringSubmatch(p.Value, -1) {
					v.taken[m[1]] = true
				}
			}
		}
	}
	return v
}

// name returns the variable for what, which identifies the value. Its name is base, with a number if base is taken.
func (v *variables) name(base, what string) string {
	base = identifier(base)
	if name, ok := v.of[base+" "+what]; ok {
		return name
	}
	name := base
	for n := 2; v.taken[name]; n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	v.taken[name], v.of[base+" "+what] = true, name
	return name
}

// replaceInvalid replaces each value that etl would not accept with a variable.
func (u *unit) replaceInvalid() {
	for _, o := range slices.Clone(u.Options) {
		if o.Switch || several(o.Name) && strings.Contains(o.Value, "${") {
			continue
		}
		value := env.ReplaceAllString(o.Value, "$${$1}")
		i := slices.Index(u.Options, o)
		if rest := variable.ReplaceAllString(value, ""); lookups.MatchString(value) && !lookups.MatchString(rest) {
			u.Options[i].Value = value
			if u.Ask[strings.Trim(value, "${}")] == "" {
				u.asked = append(u.asked, fmt.Sprintf("%s is %s: Flume replaced the variable when it started; set the variable in etl's environment, or write the value", o.Name, value))
			}
			continue
		}
		what := ""
		if lookups.MatchString(value) {
			what = "the value that Flume's filter replaced " + value + " with"
		} else if what = invalid(o.Name, value); what == "" {
			continue
		}
		name := u.by.planner.names.name(strings.TrimPrefix(o.Name, "--"), u.by.Agent+" "+u.name+" "+value)
		u.needs(name, "a value for "+o.Name)
		u.Options[i].Value = "${" + name + "}"
		u.asked = append(u.asked, fmt.Sprintf("%s: the file has %q for %s, which etl does not accept; set the variable to %s", name, value, o.Name, what))
	}
}

// invalid returns a description of the values that the option accepts if value is not one of them, or "".
func invalid(option, value string) string {
	switch {
	case option == "--avro-listen" && value == "off":
		return ""
	case strings.HasSuffix(option, "-listen"):
		host, port, err := net.SplitHostPort(value)
		if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || !address1.MatchString(host) {
			return "an address, HOST:PORT or :PORT"
		}
	case option == "--poll":
		if !hostPort(value) {
			return "an address, HOST:PORT"
		}
	case option == "--kafka-brokers":
		for broker := range strings.SplitSeq(value, ",") {
			if !hostPort(broker) {
				return "brokers, HOST:PORT,HOST:PORT"
			}
		}
	case option == "--kafka-topic":
		if !kafkaTopic.MatchString(value) || value == "." || value == ".." {
			return "the name of a topic: 1 to 245 of the characters a-z A-Z 0-9 . _ -"
		}
	case strings.HasSuffix(option, "-line-bytes"):
		if n, err := strconv.ParseUint(value, 10, 32); err != nil || n < 1 || n > 16<<20 {
			return "a number of bytes, up to 16 MiB"
		}
	case option == "--ip-filter":
		for r := range strings.SplitSeq(value, ",") {
			if !rule.MatchString(r) {
				return "rules like allow:ip:10.*,deny:ip:*"
			}
		}
	}
	return ""
}

func hostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, e := strconv.ParseUint(port, 10, 16)
	return err == nil && e == nil && n > 0 && host != "" && address1.MatchString(host)
}
