package cli

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/option"
)

// beside holds the arguments that each command needs besides the option under test.
var beside = map[string][]string{
	"dry-run":     {"x.log"},
	"send":        {"x.log"},
	"migrate":     {"flume.conf"},
	"offsets set": {"--partition=1", "--offset=1", "--reason=x"},
}

// sample returns a valid value of the option other than its default, and a value that is invalid for its type; bad is empty
// if any text is valid.
func sample(t *testing.T, f *kong.Flag) (good, bad string) {
	t.Helper()
	if f.Enum != "" {
		for _, e := range f.EnumSlice() {
			if e != f.Default {
				return e, "nonsense"
			}
		}
	}
	switch f.Target.Interface().(type) {
	case bool:
		return fmt.Sprint(f.Default != "true"), "nonsense"
	case int, int16, int32, int64:
		return "7", "seven"
	case float64, Percent:
		return "40%", "half"
	case Bytes:
		return "3MiB", "3 potatoes"
	case option.Age:
		return "3d", "3 weeks"
	case option.Retention:
		return "hits=3d", "hits=3 weeks"
	case time.Duration:
		return "7s", "7"
	case map[string]string:
		return "a=b,c=d", "nonsense"
	case []string:
		return "a:1,b:2", ""
	case string:
		return "x:1", ""
	}
	t.Fatalf("--%s is a %s: there is no sample", f.Name, f.Target.Type())
	return "", ""
}

// line returns the command line on which the option is tried.
func line(command string, f *kong.Flag, more ...string) []string {
	args := append(strings.Fields(command), beside[command]...)
	args = slices.DeleteFunc(args, func(a string) bool { return strings.HasPrefix(a, "--"+f.Name+"=") })
	return append(args, more...)
}

// parser parses many lines. It is built once, because that takes longer than all parsing.
type parser struct{ k *kong.Kong }

// valueOf parses the line and returns the option's value.
func (p parser) valueOf(name string, args []string) (any, error) {
	k, err := etl(nil).parse(p.k, args)
	if err != nil {
		return nil, err
	}
	for _, f := range k.Flags() {
		if f.Name == name {
			return f.Target.Interface(), nil
		}
	}
	return nil, fmt.Errorf("no --%s", name)
}

// For every option of every command: an empty variable is unset, white space around a value is ignored, the flag takes
// precedence over any variable, and an invalid variable is named.
func TestVariables_everyOption(t *testing.T) {
	withoutEnvironment(t)
	k, err := etl(&commands{}).parser(Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{"help": true, "help-all": true, configOption: true} // the file has tests of its own
	byCommand := flagsByCommand(k.Model.Node)
	for _, command := range slices.Sorted(maps.Keys(byCommand)) {
		for _, f := range byCommand[command] {
			if !tried[f.Name] { // commands share their options
				tried[f.Name] = true
				t.Run(f.Name, func(t *testing.T) { everyOption(t, parser{k}, command, f) })
			}
		}
	}
	if len(tried) < 150 {
		t.Errorf("%d options were tried, expected at least 150", len(tried))
	}
}

func everyOption(t *testing.T, p parser, command string, f *kong.Flag) {
	good, bad := sample(t, f)
	variable := f.Envs[0]
	want, err := p.valueOf(f.Name, line(command, f, "--"+f.Name+"="+good))
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, want any, args []string) {
		t.Helper()
		if got, err := p.valueOf(f.Name, args); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v; expected %v", what, got, err, want)
		}
	}
	if !f.Required {
		unset, err := p.valueOf(f.Name, line(command, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, empty := range []string{"", "  ", "\t\r\n"} {
			t.Setenv(variable, empty)
			same(fmt.Sprintf("%s=%q", variable, empty), unset, line(command, f))
		}
	}
	before, after := "  ", "\t\r\n"
	if slices.Contains(verbatim, f.Name) {
		before, after = "", "\r\n"
	}
	t.Setenv(variable, before+good+after)
	same("white space around it", want, line(command, f))
	if strings.Contains(good, ",") {
		t.Setenv(variable, strings.ReplaceAll(good, ",", " , ,")+" ,")
		same("white space in a list", want, line(command, f))
	}
	t.Setenv(variable, "nonsense")
	if bad != "" {
		t.Setenv(variable, bad)
	}
	same("the flag is given", want, line(command, f, "--"+f.Name+"="+good))
	if bad != "" {
		_, err := p.valueOf(f.Name, line(command, f))
		if ExitCode(err) != ExitUsage || !strings.Contains(err.Error(), "--"+f.Name) || !strings.Contains(err.Error(), "(from "+variable+")") {
			t.Errorf("%s=%s: got %v; expected exit code %v and an error that contains %q and %q", variable, bad, err, ExitUsage, "--"+f.Name, "(from "+variable+")")
		}
	}
}

// Spaces in a password count; what a file or a secret puts behind it does not.
func TestVariables_password(t *testing.T) {
	withoutEnvironment(t)
	t.Setenv("ETL_MYSQL_PASSWORD", " a b \r\n")
	var c commands
	parse(t, &c, "run")
	if got := c.Run.MysqlPassword; got != " a b " {
		t.Errorf("got %q, expected %q", got, " a b ")
	}
}

// A flag puts aside the variables of every other spelling, and what they hold is not read.
func TestVariables_ofAnAlternativeOption(t *testing.T) {
	withoutEnvironment(t)
	t.Setenv("ETL_MYSQL_DSN", "u@tcp(h:1)/d")
	t.Setenv("ETL_QUERY", "x")
	var c commands
	parse(t, &c, "run", "--mysql-host=h", "--query-file=f")
	if c.Run.MysqlDSN != "" || c.Run.Query != "" || c.Run.MysqlHost != "h" {
		t.Errorf("got %q, %q, %q; expected no DSN, no query and the host %q", c.Run.MysqlDSN, c.Run.Query, c.Run.MysqlHost, "h")
	}
	t.Setenv("ETL_MYSQL_DSN", "")
	t.Setenv("ETL_MYSQL_PORT", "nonsense")
	c = commands{}
	parse(t, &c, "run", "--mysql-dsn=u@tcp(h:1)/d")
	if c.Run.MysqlPort != 3306 {
		t.Errorf("got %d, expected 3306", c.Run.MysqlPort)
	}
}

// Variables that Kubernetes sets for services are never options, whatever the services are called.
func TestVariables_kubernetes(t *testing.T) {
	withoutEnvironment(t)
	for _, service := range []string{"", "_MYSQL", "_KAFKA", "_KAFKA_BROKERS", "_ADMIN_LISTEN", "_MYSQL_DSN"} {
		for _, at := range []struct{ ip, url string }{{"10.0.0.1", "10.0.0.1"}, {"fd00::1", "[fd00::1]"}} {
			for name, value := range map[string]string{
				"_SERVICE_HOST": at.ip, "_SERVICE_PORT": "3306", "_SERVICE_PORT_SQL_X": "3306", "_PORT": "tcp://" + at.url + ":3306",
				"_PORT_3306_TCP": "tcp://" + at.url + ":3306", "_PORT_3306_TCP_PROTO": "tcp", "_PORT_3306_TCP_PORT": "3306",
				"_PORT_3306_TCP_ADDR": at.ip, "_PORT_514_UDP": "udp://" + at.url + ":514", "_PORT_514_UDP_PROTO": "udp",
			} {
				t.Setenv("ETL"+service+name, value)
			}
			var c commands
			parse(t, &c, "run")
			if diff := cmp.Diff(3306, c.Run.MysqlPort); diff != "" {
				t.Errorf("service %s: %s", service, diff)
			}
		}
	}
}
