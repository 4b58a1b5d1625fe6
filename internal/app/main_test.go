package app

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		// What is left is kfake's: it does not wait for its goroutines when it is closed.
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"),
			goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write")); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}
