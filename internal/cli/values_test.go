package cli

import (
	"strings"
	"testing"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want Bytes // -1 is an error
	}{
		{"0", 0}, {"1024", 1024}, {"64KiB", 64 << 10}, {"16 MiB", 16 << 20}, {"1.5GiB", 3 << 29}, {"2TiB", 2 << 40},
		{"10kB", 10_000}, {"10KB", 10_000}, {"1MB", 1_000_000}, {"7B", 7},
		{"", -1}, {"x", -1}, {"-1", -1}, {"1 2", -1}, {"NaN", -1}, {"9e30", -1}, {"10mib", -1}, {"MiB", -1}, {"Inf", -1},
	}
	for _, c := range cases {
		got := Bytes(-1)
		err := got.UnmarshalText([]byte(c.text))
		if got != c.want || (err != nil) != (c.want == -1) {
			t.Errorf("%q: got %d, %v; expected %d", c.text, got, err, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want Percent // -1 is an error
	}{
		{"50%", 0.5}, {"0.5", 0.5}, {"0", 0}, {"100%", 1}, {"1", 1}, {"12.5 %", 0.125},
		{"50", -1}, {"101%", -1}, {"-1%", -1}, {"", -1}, {"%", -1}, {"NaN", -1}, {"half", -1},
	}
	for _, c := range cases {
		got := Percent(-1)
		err := got.UnmarshalText([]byte(c.text))
		if got != c.want || (err != nil) != (c.want == -1) {
			t.Errorf("%q: got %g, %v; expected %g", c.text, float64(got), err, float64(c.want))
		}
	}
}

// What etl config prints is read again as the same value.
func TestValues_printedValuesAreReadBack(t *testing.T) {
	t.Parallel()
	for _, want := range []Bytes{0, 1, 1000, 1024, 1536, 64 << 10, 3 << 20, 5 << 30, 2 << 40} {
		var got Bytes
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("%s: got %d, %v, expected %d", want, int64(got), err, int64(want))
		}
	}
	for _, want := range []Percent{0, 0.07, 0.5, 1} {
		var got Percent
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("%s: got %g, %v, expected %g", want, float64(got), err, float64(want))
		}
	}

}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"ETL_KAFKA_BROKERS", "ETL_KAFKA_TOPIC", "ETL_QUERY", "ETL_QUERY_FILE", "ETL_JOB"}
	cases := map[string]string{
		"ETL_KAFKA_BROKER":  ", did you mean ETL_KAFKA_BROKERS?",
		"ETL_KAFKA_BORKERS": ", did you mean ETL_KAFKA_BROKERS?",
		"ETL_KAFAKTOPIC":    ", did you mean ETL_KAFKA_TOPIC?",
		"ETL_JOBS":          ", did you mean ETL_JOB?",
		"ETL_SOMETHING":     "",
		"ETL_QUERRY":        ", did you mean ETL_QUERY?",
	}
	for name, want := range cases {
		if got := didYouMean(name, names); got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]bool{
		"ETL_SERVICE_HOST=10.0.0.1":                 true, // what Kubernetes sets in pods beside a service named etl
		"ETL_SERVICE_HOST=fd00::1":                  true,
		"ETL_SERVICE_PORT=41414":                    true,
		"ETL_SERVICE_PORT_AVRO=41414":               true,
		"ETL_PORT=tcp://10.0.0.1:41414":             true,
		"ETL_PORT_41414_TCP=tcp://10.0.0.1:41414":   true,
		"ETL_PORT_41414_TCP_ADDR=10.0.0.1":          true,
		"ETL_PORT_41414_TCP_PROTO=tcp":              true,
		"ETL_PORT_41414_TCP_PORT=41414":             true,
		"ETL_AVRO_SERVICE_HOST=10.0.0.1":            true,
		"ETL_MYSQL_PORT=tcp://10.0.0.1:3306":        true, // of a service named etl-mysql
		"ETL_MYSQL_PORT=tcp://[fd00::1]:3306":       true,
		"ETL_MYSQL_PORT_3306_TCP=tcp://[fd00::1]:1": true,
		"ETL_TEST_DSN=root@/test":                   true,
		"ETL_MYSQL_PORT=3306":                       false, // the option
		"ETL_MYSQL_PORT=":                           false,
		"ETL_KAFKA_PORT=9092":                       false, // a typing error
		"ETL_KAFKA_SERVICE_PORT=kafka:9092":         false,
		"ETL_KAFKA_SERVICE_HOST=kafka":              false,
		"ETL_KAFKA_BROKER=k:9092":                   false,
		"ETL_MYSQL_SERVICE_ACCOUNT=x":               false,
	} {
		name, value, _ := strings.Cut(variable, "=")
		if got := foreign(name, value); got != want {
			t.Errorf("%s: got %v, expected %v", variable, got, want)
		}
	}
}
