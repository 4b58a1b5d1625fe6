package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/internal/etltest"
)

const module = "github.com/sluice-etl/sluice/"

// direction lists the packages of this project that each package may import, with the reason. There are no cycles.
// Every package must be in the table.
var direction = []struct {
	pkg     string
	imports []string
	why     string
}{
	{"checkpoint", nil, "the types of positions, which any package may import"},
	{"row", nil, "the types of results: query builds rows, a sink writes them"},
	{"status", []string{"internal/option"}, "shows sections that the components provide, and imports none of them"},
	{"pool", []string{"internal/failpoint", "internal/option", "internal/textfile", "internal/tlsfile"}, "connections; independent of what is written through them"},
	{"receiver", []string{"internal/option"}, "Flume events and receivers; independent of Kafka"},
	{"internal/failpoint", nil, "names of failpoints, and nothing else"},
	{"internal/editdistance", nil, "compares two texts"},
	{"internal/mailbox", nil, "a queue between goroutines, and nothing else"},
	{"internal/filelock", nil, "locks one file"},
	{"internal/obs", nil, "waiting, backoff and throttled logs, for any package"},
	{"internal/option", nil, "errors of options, which packages return; independent of flags"},
	{"internal/quote", nil, "text for a terminal, and nothing else"},
	{"internal/grid", []string{"internal/quote"}, "aligns text, and nothing else"},
	{"internal/textfile", nil, "small text files, and nothing else"},
	{"internal/tlsfile", []string{"internal/option", "internal/textfile"}, "PEM files, and the TLS configuration of clients; opens no connections"},
	{"internal/zlibconn", []string{"internal/option", "receiver"}, "connections whose bytes are zlib streams; independent of requests"},
	{"internal/accesslog", nil, "lines of text"},
	{"internal/avrobin", nil, "an encoding, and nothing else"},
	{"receiver/netserver", []string{"internal/obs", "internal/option", "internal/tlsfile", "internal/zlibconn", "receiver"}, "the TCP server that receivers share; independent of the protocol"},
	{"internal/avrorpc", []string{"internal/avrobin"}, "the client side of a protocol; independent of events"},
	{"internal/flumeavro", []string{"internal/avrobin", "receiver"}, "what both sides of Flume's Avro protocol need; opens no connections"},
	{"internal/flumethrift", []string{"receiver"}, "what both sides of Flume's Thrift protocol need; opens no connections"},
	{"flumesink/avro", []string{"internal/avrobin", "internal/failpoint", "internal/flumeavro", "internal/option", "receiver", "receiver/netserver"}, "one protocol of Flume's"},
	{"flumesink/spark", []string{"flumesink/avro", "internal/avrobin", "internal/avrorpc", "internal/obs", "internal/option", "receiver", "receiver/netserver"}, "Spark's sink uses the Avro RPC and the events of flumesink/avro"},
	{"flumesink/thrift", []string{"internal/failpoint", "internal/option", "receiver", "receiver/netserver"}, "one protocol of Flume's"},
	{"receiver/http", []string{"internal/option", "internal/textfile", "receiver", "receiver/netserver"}, "one protocol of Flume's, read by net/http"},
	{"receiver/socket", []string{"internal/obs", "internal/option", "internal/textfile", "receiver", "receiver/lines", "receiver/netserver"}, "lines of a server; independent of files"},
	{"receiver/filewatch", []string{"internal/filelock", "internal/obs", "internal/option", "internal/textfile", "receiver", "receiver/lines", "receiver/netserver"}, "lines of files; independent of the network"},
	{"receiver/lines", []string{"internal/textfile", "receiver", "receiver/netserver"}, "splits the bytes of a connection into lines; independent of the protocol"},
	{"receiver/udp", []string{"internal/option", "receiver", "receiver/netserver"}, "the UDP server that receivers share; independent of the protocol"},
	{"receiver/netcat", []string{"internal/option", "receiver", "receiver/lines", "receiver/netserver", "receiver/udp"}, "one protocol of Flume's"},
	{"receiver/syslog", []string{"internal/option", "receiver", "receiver/lines", "receiver/netserver", "receiver/udp"}, "one protocol of Flume's"},
	{"flumeclient", []string{"internal/obs", "internal/option", "internal/textfile", "internal/tlsfile", "internal/zlibconn", "receiver"}, "what clients share; sends lines through any client"},
	{"flumeclient/avro", []string{"flumeclient", "internal/avrobin", "internal/avrorpc", "internal/flumeavro", "receiver"}, "the client of one protocol of Flume's"},
	{"flumeclient/thrift", []string{"flumeclient", "internal/flumethrift", "internal/option", "receiver"}, "the client of one protocol of Flume's"},
	{"migrate", []string{"internal/quote", "internal/textfile"}, "converts Flume's configuration to options; text only"},
	{"batch/planner", []string{"checkpoint"}, "the engine's decisions, as a pure function of its inputs"},
	{"batch", []string{"batch/planner", "checkpoint", "internal/failpoint", "internal/mailbox", "internal/obs", "internal/option"}, "the only implementation of the protocol; generic in the result of a batch, so independent of rows"},
	{"kafkaio", []string{"batch", "checkpoint", "internal/failpoint", "internal/mailbox", "internal/obs", "internal/option", "internal/textfile", "internal/tlsfile"}, "implements batch.Source; independent of MySQL"},
	{"dedup", []string{"batch", "checkpoint", "internal/option", "row"}, "wraps a batch.Fold; does no I/O"},
	{"fold/value", []string{"row"}, "single values; independent of records"},
	{"fold/window", []string{"fold/value"}, "divides time into windows; independent of records"},
	{"fold/jsonpath", []string{"fold/value"}, "a syntax, and nothing else"},
	{"fold/format", []string{"fold/jsonpath", "fold/value", "internal/avrobin", "internal/option", "row"}, "log formats: splits the bytes of a body into fields; independent of Kafka"},
	{"registry", []string{"checkpoint", "fold/format", "internal/obs", "internal/option", "internal/textfile", "internal/tlsfile"}, "reads schemas; independent of records"},
	{"fold/lookup", []string{"fold/value", "row"}, "the rows of joined tables, in memory; does no I/O"},
	{"fold/aggregate", []string{"fold/value", "row"}, "what a record adds to a cell; independent of records"},
	{"fold", []string{"batch", "checkpoint", "fold/aggregate", "fold/format", "fold/lookup", "fold/value", "fold/window", "internal/option", "row"}, "implements batch.Fold for any program of functions; independent of SQL"},
	{"query/ast", []string{"fold/jsonpath"}, "the tree of a query"},
	{"query/parse", []string{"fold/jsonpath", "fold/value", "query/ast"}, "parses text into the tree; the only package that uses the SQL parser"},
	{"query/expr", []string{"fold", "fold/format", "fold/jsonpath", "fold/lookup", "fold/value", "internal/editdistance", "internal/option", "query/ast", "row"}, "expressions: types, conversion and evaluation"},
	{"query/funcs", []string{"fold", "fold/format", "fold/jsonpath", "fold/lookup", "fold/value", "fold/window", "query/ast", "query/expr", "row"}, "the functions of the language"},
	{"query", []string{"batch", "checkpoint", "fold", "fold/aggregate", "fold/format", "fold/lookup", "fold/value", "internal/avrobin", "internal/grid", "internal/option", "internal/quote", "query/ast", "query/expr", "query/funcs", "query/parse", "row"}, "implements batch.Fold; does no I/O"},
	{"query/trial", []string{"fold/lookup", "internal/grid", "internal/option", "internal/quote", "mysqlout/schema", "query"}, "tests of queries; opens no connections"},
	{"mysqlout/internal/sqltext", []string{"checkpoint", "row"}, "SQL text; sends nothing"},
	{"mysqlout/internal/sqlerr", []string{"checkpoint", "internal/option", "pool"}, "classifies error numbers; sends nothing"},
	{"mysqlout/schema", []string{"checkpoint", "fold/lookup", "fold/value", "internal/option", "mysqlout/internal/sqlerr", "mysqlout/internal/sqltext", "pool", "row"}, "inspects and creates tables; independent of batches"},
	{"mysqlout/joined", []string{"checkpoint", "fold/lookup", "internal/option", "mysqlout/internal/sqlerr", "mysqlout/internal/sqltext", "mysqlout/schema", "pool", "row"}, "reads the tables that a query joins; writes nothing"},
	{"mysqlout/ledger", []string{"batch", "checkpoint", "mysqlout/internal/sqlerr", "mysqlout/internal/sqltext", "pool", "row"}, "checkpoints, dead letters and event IDs; advances no checkpoint by itself"},
	{"mysqlout", []string{"batch", "checkpoint", "fold/lookup", "internal/failpoint", "internal/obs", "internal/option", "mysqlout/internal/sqlerr", "mysqlout/internal/sqltext", "mysqlout/ledger", "mysqlout/schema", "pool", "row"}, "implements batch.Sink; independent of Kafka"},
	{"internal/app", []string{"batch", "checkpoint", "dedup", "flumesink/avro", "flumesink/spark", "flumesink/thrift", "internal/avrobin", "internal/failpoint", "internal/obs", "internal/option", "internal/quote", "kafkaio", "mysqlout", "mysqlout/joined", "mysqlout/ledger", "mysqlout/schema", "pool", "query", "receiver", "receiver/filewatch", "receiver/http", "receiver/netcat", "receiver/netserver", "receiver/socket", "receiver/syslog", "receiver/udp", "registry", "row", "status"}, "assembles all components"},
	{"internal/cli", []string{"batch", "checkpoint", "dedup", "flumeclient", "flumeclient/avro", "flumeclient/thrift", "flumesink/avro", "flumesink/spark", "flumesink/thrift", "fold/format", "internal/app", "internal/editdistance", "internal/grid", "internal/option", "internal/quote", "internal/textfile", "kafkaio", "migrate", "mysqlout", "mysqlout/joined", "mysqlout/ledger", "mysqlout/schema", "pool", "query", "query/trial", "receiver", "receiver/filewatch", "receiver/http", "receiver/netcat", "receiver/netserver", "receiver/socket", "receiver/syslog", "receiver/udp", "registry", "row", "status"}, "reads every package's options"},
	{"cmd/etl", []string{"internal/cli"}, "ten lines"},
	{"cmd/standalone", []string{"flumeclient/avro", "internal/accesslog", "internal/app", "internal/cli", "internal/filelock", "internal/grid", "internal/quote", "pool", "receiver", "receiver/netserver", "row", "status"}, "adds embedded servers and a demo; the demo reads its table through a pool of its own"},
}

// forTests reports whether a package is for tests only: it may import anything, and only tests may import it.
func forTests(name string) bool {
	return name == "integration" || strings.HasPrefix(name, "integration/") || name == "internal/mysqlproxy" || strings.HasSuffix(name, "test")
}

// stopsHere lists the only packages that may import a library, except in tests.
var stopsHere = []struct {
	library string
	pkgs    []string
	why     string
}{
	{"database/sql", []string{"pool", "mysqlout", "mysqlout/joined", "mysqlout/schema", "mysqlout/internal/sqlerr"}, "transactions have one owner each; no statement goes through the pool itself"},
	{"github.com/go-sql-driver/mysql", []string{"pool", "mysqlout", "mysqlout/internal/sqlerr"}, "error numbers are classified there"},
	{"github.com/twmb/franz-go/pkg/kfake", []string{"cmd/standalone"}, "a broker for evaluation and for tests"},
	{"github.com/twmb/franz-go/pkg/sr", []string{"registry"}, "the API of schema registries"},
	{"github.com/twmb/franz-go", []string{"kafkaio", "registry", "cmd/standalone"}, "Kafka and the registry of its schemas"},
	{"github.com/twmb/franz-go/pkg/kgo", []string{"kafkaio", "cmd/standalone"}, "only kafkaio uses the types of the Kafka client"},
	{"github.com/dolthub/go-mysql-server", []string{"cmd/standalone"}, "68 MB of database for evaluation"},
	{"github.com/dolthub/vitess/go/vt/sqlparser", []string{"query/parse"}, "one file converts its tree to ours"},
	{"go.yaml.in/yaml/v3", []string{"internal/cli"}, "the configuration file"},
	{"github.com/cenkalti/backoff", []string{"internal/obs"}, "one package decides how backoff grows"},
	{"github.com/alecthomas/kong", []string{"internal/cli", "cmd/standalone"}, "packages are independent of flags"},
	{"github.com/twmb/avro", []string{"fold/format"}, "reads schemas; it is also the reference for tests of our own decoders"},
	{"github.com/apache/thrift", []string{"flumeclient/thrift", "internal/flumethrift"}, "for the client; the receiver has its own decoder"},
	{"github.com/testcontainers/testcontainers-go", nil, "containers are for tests; the product depends on no engine"},
	{"net/http", []string{"status", "receiver/http", "registry"}, "the admin listener, Flume's HTTP source on a port of its own, and the client of schema registries"},
	{"net/http/pprof", nil, "profiles are not served"},
}

type goPackage struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string]goPackage{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func TestDirection(t *testing.T) {
	t.Parallel()
	for name, p := range packages(t) {
		if forTests(name) || len(p.GoFiles) == 0 {
			continue
		}
		var allowed []string
		why, known := "", false
		for _, row := range direction {
			if row.pkg == name {
				allowed, why, known = row.imports, row.why, true
			}
		}
		if !known {
			t.Errorf("%s is not in the table: add what it may import, and why", name)
		}
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s; it may import %v: %s", name, ours, allowed, why)
			}
		}
		for _, s := range stopsHere {
			for _, imp := range p.Imports {
				if (imp == s.library || strings.HasPrefix(imp, s.library+"/")) && !slices.Contains(s.pkgs, name) {
					t.Errorf("%s imports %s, which only %v may: %s", name, imp, s.pkgs, s.why)
				}
			}
		}
	}
}

// unlisted lists the packages that DESIGN.md's table omits, because any package may import them.
var unlisted = []string{"internal/failpoint", "internal/obs", "internal/option", "internal/quote", "internal/textfile"}

// DESIGN.md contains the table between two markers.
func TestDirection_designTableIsCurrent(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "DESIGN.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "<!-- begin imports")
	marker, rest, ok2 := strings.Cut(rest, "\n")
	_, after, ok3 := strings.Cut(rest, "<!-- end imports -->")
	if !ok || !ok2 || !ok3 {
		t.Fatal("DESIGN.md has no markers for the table of imports")
	}
	etltest.Golden(t, *rewrite, file, before+"<!-- begin imports"+marker+"\n\n"+importTable()+"\n<!-- end imports -->"+after)
}

// importTable returns the table as text: a line for each package, wrapped, and one for those that import nothing.
func importTable() string {
	const columns, indent = 118, "    "
	width := 0
	for _, row := range direction {
		width = max(width, len(row.pkg))
	}
	var b strings.Builder
	var none []string
	for _, row := range direction {
		imports := slices.DeleteFunc(slices.Clone(row.imports), func(name string) bool { return slices.Contains(unlisted, name) })
		if slices.Contains(unlisted, row.pkg) {
			continue
		}
		if len(imports) == 0 {
			none = append(none, row.pkg)
			continue
		}
		line := fmt.Sprintf("%s%-*s ─▶", indent, width, row.pkg)
		for i, name := range imports {
			if i < len(imports)-1 {
				name += ","
			}
			if utf8.RuneCountInString(line)+1+len(name) > columns {
				b.WriteString(line + "\n")
				line = indent + strings.Repeat(" ", width+3)
			}
			line += " " + name
		}
		b.WriteString(line + "\n")
	}
	line := "These import none of ours:"
	b.WriteString("\n")
	for i, name := range none {
		end := ","
		if i == len(none)-1 {
			end = "."
		}
		if utf8.RuneCountInString(line)+2+len(name) > columns {
			b.WriteString(line + "\n")
			line = name + end
			continue
		}
		line += " " + name + end
	}
	b.WriteString(line + "\n")
	return b.String()
}

// The syntax tree of the SQL parser is not ours. One package converts it to ours, so replacing the parser changes only that
// package. (The database of cmd/standalone uses the parser for itself.)
func TestDirection_parserInOnePackage(t *testing.T) {
	t.Parallel()
	var importers []string
	for name, p := range packages(t) {
		if name != "cmd/standalone" && slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, "github.com/dolthub/vitess/") }) {
			importers = append(importers, name)
		}
	}
	if !slices.Equal(importers, []string{"query/parse"}) {
		t.Errorf("the SQL parser is imported by %v, expected only query/parse", importers)
	}
}

// The planner is a pure function of its inputs, so its scenarios can be written as text: it has no clock, lock, log,
// network or random source.
func TestDirection_plannerIsPure(t *testing.T) {
	t.Parallel()
	p := packages(t)["batch/planner"]
	for _, imp := range p.Imports {
		if !slices.Contains([]string{"errors", "fmt", "slices", "strings", "time", module + "checkpoint"}, imp) {
			t.Errorf("batch/planner imports %s", imp)
		}
	}
	p.inspect(t, func(at token.Position, n ast.Node) {
		if name := selected(n, "time"); name != "" && name != "Duration" && name != "Minute" {
			t.Errorf("%s: time.%s, expected only durations", at, name)
		}
	})
}

// No package has side effects when it is imported, and no code sleeps instead of waiting.
func TestNoSleep(t *testing.T) {
	t.Parallel()
	for name, p := range packages(t) {
		p.inspect(t, func(at token.Position, n ast.Node) {
			if fn, ok := n.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init in %s", at, name)
			}
			if sel := selected(n, "time"); sel == "Sleep" || sel == "After" || sel == "Tick" {
				t.Errorf("%s: time.%s in %s", at, sel, name)
			}
		})
	}
}

// inspect calls do with each node of the syntax of the package's files, tests aside.
func (p goPackage) inspect(t *testing.T, do func(token.Position, ast.Node)) {
	t.Helper()
	for _, f := range p.GoFiles {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if n != nil {
				do(fset.Position(n.Pos()), n)
			}
			return true
		})
	}
}

// selected returns the name that n selects from a package, for example Sleep of time.Sleep, or "".
func selected(n ast.Node, pkg string) string {
	if sel, ok := n.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg {
			return sel.Sel.Name
		}
	}
	return ""
}
