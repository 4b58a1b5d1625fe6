package cli

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every flag that a text of any package mentions exists: advice must not name an option that was renamed. Packages that
// know no flags mention one only in a command line of etl.
func TestMentions_flagsExist(t *testing.T) {
	withoutEnvironment(t)
	exists := func(name string) bool {
		for flag := range flagNames() { // or the beginning of several names, as in --avro-max-
			if flag == name || strings.HasPrefix(flag, name+"-") {
				return true
			}
		}
		return name == "ssl-mode" // of the mysql client
	}
	mention := regexp.MustCompile(`(?:^|[^-\w])--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`)
	commandLine := regexp.MustCompile(`\betl [a-z]+( [a-z]+)? --`)
	mentions := 0
	eachFile(t, func(path string, file *ast.File) {
		knowsFlags := slices.Contains([]string{"internal/cli", "migrate"}, filepath.ToSlash(filepath.Dir(path)))
		eachText(t, file, func(text string) {
			for _, m := range mention.FindAllStringSubmatch(text, -1) {
				if mentions++; !exists(m[1]) {
					t.Errorf("%s mentions --%s, which is no option: %q", path, m[1], text)
				}
			}
			if !knowsFlags && mention.MatchString(commandLine.ReplaceAllString(text, "")) {
				t.Errorf("%s mentions a flag, must refer to the option by option.Ref: %q", path, text)
			}
		})
	})
	if mentions < 50 {
		t.Errorf("found %d mentions, expected 50 or more", mentions)
	}
}

// Every reference of a package to an option leads to a flag.
func TestMentions_referencesAreOptions(t *testing.T) {
	withoutEnvironment(t)
	reference := regexp.MustCompile(`option '([^']+)'`)
	references := 0
	eachFile(t, func(path string, file *ast.File) {
		if filepath.Base(path) == "option.go" { // defines references
			return
		}
		want := func(name string) {
			if references++; flagName(name) == "" {
				t.Errorf("%s refers to option %q, which does not exist", path, name)
			}
		}
		eachText(t, file, func(text string) {
			for _, m := range reference.FindAllStringSubmatch(text, -1) {
				want(m[1])
			}
		})
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := f.X.(*ast.Ident); !ok || of.Name != "option" || f.Sel.Name == "Of" {
				return true
			}
			if name, ok := call.Args[0].(*ast.BasicLit); ok { // others are computed; see TestErrorsNameOptions
				want(unquoted(t, name))
			}
			return true
		})
	})
	if references < 100 {
		t.Errorf("found %d references, expected 100 or more", references)
	}
}

// eachText visits the string literals of a file.
func eachText(t *testing.T, file *ast.File, visit func(text string)) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			visit(unquoted(t, lit))
		}
		return true
	})
}

func unquoted(t *testing.T, lit *ast.BasicLit) string {
	t.Helper()
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
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
		rel, err := filepath.Rel(root, path)
		visit(rel, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
