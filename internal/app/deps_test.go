package app

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-etl/sluice/"

// direction is which packages of ours a package may import, and why. Nothing points back. What is not in the table may
// not exist.
var direction = []struct {
	pkg     string
	imports []string
	why     string
}{
	{"checkpoint", nil, "the vocabulary of position: everybody imports it"},
	{"row", nil, "the vocabulary of results: query makes rows, a sink writes them"},
	{"status", []string{"internal/option"}, "shows sections that the parts hand it, and knows none of them"},
	{"pool", []string{"internal/failpoint", "internal/pemfile", "internal/textfile", "internal/option"}, "connections, not what is written through them"},
	{"receiver", []string{"internal/option"}, "knows Flume, not Kafka"},
	{"internal/failpoint", nil, "names of points, and nothing else"},
	{"internal/option", nil, "errors of options, which packages return without knowing flags"},
	{"internal/quote", nil, "text for a terminal, and nothing else"},
	{"internal/textfile", nil, "small text files, and nothing else"},
	{"internal/pemfile", []string{"internal/textfile"}, "PEM files and certificate chains; knows no connections"},
	{"internal/accesslog", nil, "lines of text"},
	{"internal/avrobin", nil, "an encoding, and nothing else"},
	{"receiver/netserver", []string{"receiver", "internal/pemfile", "internal/option"}, "the TCP server that receivers share; knows no protocol"},
	{"internal/avrorpc", []string{"internal/avrobin"}, "the client side of a protocol; knows no events"},
	{"internal/flumeavro", []string{"receiver", "internal/avrobin"}, "what both sides of Flume's Avro protocol need; opens no connections"},
	{"internal/flumethrift", []string{"receiver"}, "what both sides of Flume's Thrift protocol need; opens no connections"},
	{"flumesink/avro", []string{"receiver", "receiver/netserver", "internal/avrobin", "internal/flumeavro", "internal/failpoint"}, "one protocol of Flume's"},
	{"flumesink/spark", []string{"receiver", "flumesink/avro", "receiver/netserver", "internal/avrobin", "internal/avrorpc", "internal/option"}, "Spark's sink speaks the Avro RPC that flumesink/avro has, and its events"},
	{"flumesink/thrift", []string{"receiver", "receiver/netserver", "internal/failpoint"}, "one protocol of Flume's"},
	{"receiver/http", []string{"receiver", "receiver/netserver", "internal/textfile", "internal/option"}, "one protocol of Flume's, read by net/http"},
	{"receiver/socket", []string{"receiver", "receiver/netserver", "receiver/lines", "internal/textfile", "internal/option"}, "lines of a server; knows no files"},
	{"receiver/filewatch", []string{"receiver", "receiver/netserver", "receiver/lines", "internal/textfile", "internal/option"}, "files; knows no network"},
	{"receiver/lines", []string{"receiver", "receiver/netserver", "internal/textfile"}, "cuts what a connection says; knows no protocol"},
	{"receiver/udp", []string{"receiver", "receiver/netserver"}, "the UDP server that receivers share; knows no protocol"},
	{"receiver/netcat", []string{"receiver", "receiver/netserver", "receiver/lines", "receiver/udp", "internal/option"}, "one protocol of Flume's"},
	{"receiver/syslog", []string{"receiver", "receiver/netserver", "receiver/lines", "receiver/udp", "internal/option"}, "one protocol of Flume's"},
	{"flumeclient", []string{"receiver", "receiver/netserver", "internal/textfile", "internal/option"}, "what clients share; sends lines by any client that it is given"},
	{"flumeclient/avro", []string{"receiver", "flumeclient", "internal/avrobin", "internal/avrorpc", "internal/flumeavro"}, "the client of one protocol of Flume's"},
	{"flumeclient/thrift", []string{"receiver", "receiver/netserver", "flumeclient", "internal/flumethrift", "internal/option"}, "the client of one protocol of Flume's"},
	{"migrate", []string{"internal/quote", "internal/textfile"}, "Flume's configuration in, options out: text, and nothing else"},
	{"batch/planner", []string{"checkpoint"}, "the engine's decisions, as a pure function of its inputs"},
	{"batch", []string{"batch/planner", "checkpoint", "internal/failpoint", "internal/option"}, "alone knows the protocol; generic in what a batch yields, so it knows no rows"},
	{"kafkaio", []string{"batch", "checkpoint", "internal/failpoint", "internal/pemfile", "internal/textfile", "internal/option"}, "implements batch.Source; knows nothing of MySQL"},
	{"dedup", []string{"batch", "checkpoint", "row", "internal/option"}, "wraps a batch.Fold; does no I/O"},
	{"fold/value", []string{"row"}, "single values; knows no records"},
	{"fold/window", []string{"fold/value"}, "divides time; knows no records"},
	{"fold/jsonpath", []string{"fold/value"}, "a syntax, and nothing else"},
	{"fold/format", []string{"row", "fold/jsonpath", "fold/value"}, "log formats: the bytes of a body into fields; knows no Kafka"},
	{"fold/aggregate", []string{"fold/value", "row"}, "what a record adds to a cell; knows no records"},
	{"fold", []string{"batch", "checkpoint", "fold/aggregate", "fold/format", "fold/value", "fold/window", "row"}, "implements batch.Fold for any program of functions; knows no SQL"},
	{"query/ast", []string{"fold/jsonpath"}, "the tree of a query"},
	{"query/parse", []string{"query/ast", "fold/jsonpath", "fold/value"}, "text into the tree; alone knows the SQL parser"},
	{"query", []string{"fold", "fold/aggregate", "query/ast", "query/parse", "internal/option", "internal/quote", "batch", "checkpoint", "row", "fold/format", "fold/jsonpath", "fold/value", "fold/window", "internal/avrobin", "internal/option"}, "implements batch.Fold; does no I/O"},
	{"mysqlout/internal/sqltext", []string{"checkpoint", "row"}, "SQL text; sends nothing"},
	{"mysqlout/internal/sqlerr", []string{"checkpoint", "pool"}, "error numbers become classes; sends nothing"},
	{"mysqlout/schema", []string{"mysqlout/internal/sqltext", "mysqlout/internal/sqlerr", "checkpoint", "row", "pool"}, "inspects and creates tables; knows no batch"},
	{"mysqlout/ledger", []string{"mysqlout/internal/sqltext", "mysqlout/internal/sqlerr", "batch", "checkpoint", "row", "pool"}, "checkpoints, dead letters and event IDs; advances no checkpoint by itself"},
	{"mysqlout", []string{"mysqlout/internal/sqltext", "mysqlout/internal/sqlerr", "mysqlout/schema", "mysqlout/ledger", "batch", "checkpoint", "row", "pool", "internal/failpoint", "internal/option"}, "implements batch.Sink; knows nothing of Kafka"},
	{"internal/app", []string{"internal/quote", "batch", "checkpoint", "dedup", "receiver", "receiver/netserver", "receiver/udp", "receiver/netcat", "receiver/syslog", "flumesink/avro", "receiver/http", "flumesink/spark", "flumesink/thrift", "kafkaio", "mysqlout", "mysqlout/schema", "mysqlout/ledger", "pool", "query", "row", "status", "internal/avrobin", "internal/failpoint", "receiver/filewatch", "receiver/socket", "internal/option"}, "assembles all of it"},
	{"internal/cli", []string{"internal/quote", "batch", "checkpoint", "dedup", "receiver", "receiver/netserver", "receiver/udp", "receiver/netcat", "receiver/syslog", "flumesink/avro", "receiver/http", "flumesink/spark", "flumesink/thrift", "kafkaio", "mysqlout", "mysqlout/schema", "mysqlout/ledger", "pool", "query", "fold/format", "row", "status", "internal/app", "flumeclient", "flumeclient/avro", "flumeclient/thrift", "migrate", "receiver/filewatch", "receiver/socket", "internal/option", "internal/textfile"}, "reads every package's options"},
	{"cmd/etl", []string{"internal/cli"}, "ten lines"},
	{"cmd/standalone", []string{"internal/quote", "internal/cli", "receiver/netserver", "internal/app", "internal/accesslog", "receiver", "flumeclient/avro", "pool", "row", "status"}, "embedded servers and a demo around the same; the demo reads its table through a pool of its own"},
}

// forTests reports whether only tests import a package: they may import anything, and nothing else may import them.
func forTests(name string) bool {
	return name == "integration" || strings.HasPrefix(name, "integration/") || name == "internal/mysqlproxy" || strings.HasSuffix(name, "test")
}

// stopsHere is where a library's types stop: packages outside the list may not import it, tests aside.
var stopsHere = []struct {
	library string
	pkgs    []string
	why     string
}{
	{"database/sql", []string{"pool", "mysqlout", "mysqlout/schema", "mysqlout/internal/sqlerr"}, "transactions have one owner each; no statement goes through the pool itself"},
	{"github.com/go-sql-driver/mysql", []string{"pool", "mysqlout", "mysqlout/internal/sqlerr"}, "error numbers become classes there"},
	{"github.com/twmb/franz-go/pkg/kfake", []string{"cmd/standalone"}, "a broker for trying out and for tests"},
	{"github.com/twmb/franz-go", []string{"kafkaio", "cmd/standalone"}, "Kafka's types stop at kafkaio"},
	{"github.com/dolthub/go-mysql-server", []string{"cmd/standalone"}, "68 MB of database for trying out"},
	{"github.com/dolthub/vitess/go/vt/sqlparser", []string{"query/parse"}, "one file turns its tree into ours"},
	{"go.yaml.in/yaml/v3", []string{"internal/cli"}, "the configuration file"},
	{"github.com/alecthomas/kong", []string{"internal/cli", "cmd/standalone"}, "packages do not know flags"},
	{"github.com/twmb/avro", nil, "what our own decoders are tested against"},
	{"github.com/apache/thrift", []string{"flumeclient/thrift", "internal/flumethrift"}, "for the client; the receiver has its own decoder"},
	{"github.com/testcontainers/testcontainers-go", nil, "containers are for tests; the product knows of no engine"},
	{"net/http", []string{"status", "receiver/http"}, "the admin listener, and Flume's HTTP source on a port of its own"},
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
		known := false
		for _, row := range direction {
			if row.pkg == name {
				allowed, known = row.imports, true
			}
		}
		if !known {
			t.Errorf("%s is not in the table: say what it may import, and why", name)
		}
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s; it may import %v", name, ours, allowed)
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

// The tree of the SQL parser is not ours: one file turns it into ours, so that another parser is one file's work.
func TestDirection_parserInOneFile(t *testing.T) {
	t.Parallel()
	var files []string
	p := packages(t)["query/parse"]
	for _, f := range p.GoFiles {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(parsed.Imports, func(i *ast.ImportSpec) bool { return strings.Contains(i.Path.Value, "dolthub/vitess") }) {
			files = append(files, f)
		}
	}
	if len(files) != 1 {
		t.Errorf("the SQL parser is imported by %v, want one file", files)
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
	for _, f := range p.GoFiles {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && sel.Sel.Name != "Duration" && sel.Sel.Name != "Minute" {
					t.Errorf("%s: time.%s, expected only durations", fset.Position(sel.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// No package starts anything by being imported, and nobody sleeps instead of waiting.
func TestNoSleep(t *testing.T) {
	t.Parallel()
	for name, p := range packages(t) {
		for _, f := range p.GoFiles {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, f), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if fn, ok := n.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: func init in %s", fset.Position(fn.Pos()), name)
				}
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && (sel.Sel.Name == "Sleep" || sel.Sel.Name == "After" || sel.Sel.Name == "Tick") {
					t.Errorf("%s: time.%s in %s", fset.Position(sel.Pos()), sel.Sel.Name, name)
				}
				return true
			})
		}
	}
}
