package cli

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every option that a text of any package mentions exists: advice must not name an option that was renamed.
func TestMentions_optionsExist(t *testing.T) {
	withoutEnvironment(t)
	k, err := etl(&commands{}).parser(Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"ssl-mode": true} // of the mysql client
	for _, flags := range flagsByCommand(k.Model.Node) {
		for _, f := range flags {
			known[f.Name] = true
		}
	}
	exists := func(name string) bool {
		if known[name] {
			return true
		}
		for option := range known { // the beginning of several names, as in --avro-max-
			if strings.HasPrefix(option, name+"-") {
				return true
			}
		}
		return false
	}
	mention := regexp.MustCompile(`(?:^|[^-\w])--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`)
	mentions := 0
	eachFile(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range mention.FindAllStringSubmatch(text, -1) {
				if mentions++; !exists(m[1]) {
					t.Errorf("%s mentions --%s, which is no option: %q", path, m[1], text)
				}
			}
			return true
		})
	})
	if mentions < 50 {
		t.Errorf("found %d mentions, expected 50 or more", mentions)
	}
}

// eachFile parses the source files of the packages whose texts users of etl see: no tests, and no helpers of tests.
func eachFile(t *testing.T, visit func(path string, file *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			name := d.Name()
			if path != root && (strings.HasPrefix(name, ".") || strings.HasSuffix(name, "test") || name == "cmd" || name == "integration" ||
				name == "testdata" || name == "mysqlproxy") {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(path, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
