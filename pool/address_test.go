package pool

import (
	"os"
	"testing"
)

func TestConfig_Address(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		"db:3307/stats":                     {DSN: "user:secret@tcp(db:3307)/stats"},
		"db:3306/stats":                     {Host: "db", Port: 3306, User: "user", Password: "secret", Database: "stats"},
		"[2001:db8::1]:3306/stats":          {Host: "2001:db8::1", Port: 3306, User: "user", Database: "stats"},
		"localhost:3306/stats on " + name:   {Host: "localhost", Port: 3306, User: "user", Database: "stats"},
		"127.0.0.1:3306/stats on " + name:   {DSN: "user:secret@tcp(127.0.0.1:3306)/stats"},
		"/run/mysqld.sock/stats on " + name: {DSN: "user:secret@unix(/run/mysqld.sock)/stats"},
		"":                                  {DSNFile: "/does/not/exist"},
	} {
		if got := c.Address(); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}
