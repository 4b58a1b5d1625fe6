package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // time zones where the system has none, as in small containers

	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/joined"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/query/trial"
	"github.com/sluice-etl/sluice/registry"
)

// QueryOptions set the query and the format of the events that it reads.
type QueryOptions struct {
	Format          string     `group:"query" common:"Format of the events' bodies." default:"${format}" placeholder:"FORMAT" help:"Format of the events' bodies: one of ${formats}; or first-of(a, b, …); or formats by topic, such as json, web=combined."`
	LogFormatString string     `group:"query" placeholder:"STRING" help:"Definition of the format: columns for csv and tsv; a regular expression with named groups for regex; a pattern for grok; the LogFormat or log_format of a server's configuration for apache and nginx, which it implies."`
	AvroSchema      string     `group:"query" placeholder:"FILE" help:"File with the schema of the Avro formats."`
	Query           string     `group:"query" common:"INSERT INTO … SELECT … FROM events." placeholder:"SQL" help:"INSERT INTO … SELECT … FROM events; separate several statements with semicolons."`
	QueryFile       string     `group:"query" common:"File with the query." placeholder:"FILE" help:"File with the query."`
	TimeZone        string     `group:"query" default:"UTC" placeholder:"ZONE" help:"Time zone of log times without a zone, and of calendar windows (default UTC). Times in MySQL are always UTC."`
	MaxLateness     option.Age `group:"query" default:"0s" help:"How far the time of an event's window may be before the record's timestamp in Kafka, such as 2d; others are dead letters. 0s is no limit."`
	MaxAhead        option.Age `group:"query" default:"0s" help:"How far the time of an event's window may be after the record's timestamp in Kafka, such as 5m; others are dead letters. 0s is no limit."`
}

// JobOptions set the job, which owns checkpoints and tables.
type JobOptions struct {
	TableOptions  `embed:""`
	RetainOptions `embed:""`
	EvolveTable   bool   `group:"query" help:"Add columns that the query has and an existing table lacks, if they are right in its rows: aggregates, which are NULL until a record is added to the row."`
	QueryChange   string `group:"query" enum:"refuse,continue" default:"refuse" help:"What to do when the query has changed: refuse to start, or continue from the checkpoints of the old query."`
	Adopt         bool   `group:"query" help:"Let a new job start on tables that hold rows or belong to another job."`
}

// RetainOptions set which windows are deleted.
type RetainOptions struct {
	Retain option.Retention `group:"query" default:"0s" placeholder:"AGE" help:"How long windows are kept: 90d, or hits=90d,daily=400d for some tables. Older ones are deleted; their late records are dead letters. 0s keeps all."`
}

// TableOptions are those of JobOptions that a replay has too.
type TableOptions struct {
	Job                string     `group:"query" common:"Name of the job and its consumer group." default:"${job}" placeholder:"NAME" help:"Name of the job: of its checkpoints and its consumer group (default ${job})."`
	CreateTables       bool       `group:"query" common:"Create missing tables." default:"true" help:"Create missing tables; --create-tables=false disables it."`
	DeadLetterMaxBytes Bytes      `group:"query" default:"64KiB" help:"Maximum stored bytes of a dead letter's value."`
	DeadLetterKeep     option.Age `group:"query" default:"14d" help:"How long dead letters are kept; 0s keeps them permanently."`
}

// LookupOptions control the tables that the query joins.
type LookupOptions struct {
	LookupRefresh time.Duration `group:"query" default:"5m" help:"Interval at which the tables that the query joins are read again; 0s reads them only at the start and on SIGHUP."`
	LookupMaxRows int           `group:"query" default:"1000000" help:"Maximum rows of a table that the query joins. Its texts may have 1 KiB for each of these rows, on average."`
}

func (o LookupOptions) config() joined.Config {
	return joined.Config{Refresh: o.LookupRefresh, MaxRows: o.LookupMaxRows}
}

// RegistryOptions name the registry of schemas.
type RegistryOptions struct {
	SchemaRegistry       []string `group:"query" placeholder:"URL" help:"Schema registry of format avro_confluent: http://HOST:PORT, or several instances of it."`
	SchemaRegistryUser   string   `group:"query" placeholder:"NAME" help:"User for the schema registry, for HTTP's basic authentication."`
	SchemaRegistryPass   string   `group:"query" name:"schema-registry-password" placeholder:"SECRET" help:"Password for the schema registry. Prefer --schema-registry-password-file, because other users can see the arguments of a process."`
	SchemaRegistryFile   string   `group:"query" name:"schema-registry-password-file" placeholder:"FILE" help:"File with the password for the schema registry. It is read again for each request."`
	SchemaRegistryTLSCA  string   `group:"query" name:"schema-registry-tls-ca" placeholder:"FILE" help:"PEM file with the certificate authorities of the schema registry (default: the system's)."`
	SchemaRegistryTLSCrt string   `group:"query" name:"schema-registry-tls-cert" placeholder:"FILE" help:"PEM file with the client certificate for the schema registry."`
	SchemaRegistryTLSKey string   `group:"query" name:"schema-registry-tls-key" placeholder:"FILE" help:"PEM file with the key of that certificate."`
}

func (o RegistryOptions) config() registry.Config {
	return registry.Config{
		URLs: o.SchemaRegistry, User: o.SchemaRegistryUser, Password: o.SchemaRegistryPass, PasswordFile: o.SchemaRegistryFile,
		TLSCA: o.SchemaRegistryTLSCA, TLSCert: o.SchemaRegistryTLSCrt, TLSKey: o.SchemaRegistryTLSKey,
	}
}

// LookupRows give joined tables their rows, where no server does.
type LookupRows struct {
	LookupRows string `group:"query" placeholder:"FILE" help:"File with rows of joined tables, as in etl test."`
}

// set gives the tables that a plan joins their rows.
func (o LookupRows) set(plan *query.Plan) error {
	var given []trial.Table
	if o.LookupRows != "" {
		text, err := os.ReadFile(o.LookupRows)
		if err != nil {
			return usageError{fmt.Errorf("--lookup-rows: %w", err)}
		}
		if given, err = trial.ParseTables(string(text)); err != nil {
			return usageError{fmt.Errorf("--lookup-rows: %s: %w", o.LookupRows, err)}
		}
	}
	if err := trial.SetJoined(plan, given); err != nil {
		return usageError{fmt.Errorf("--lookup-rows: %w", err)}
	}
	return nil
}

// options returns the options of compiling.
func (o QueryOptions) options() (query.Options, error) {
	opts := query.DefaultOptions()
	zone, err := time.LoadLocation(o.TimeZone)
	if err != nil || o.TimeZone == "" || o.TimeZone == "Local" {
		return opts, usageError{fmt.Errorf("--time-zone is %q, must be UTC or a name of the IANA time zone database, for example Europe/Vienna", o.TimeZone)}
	}
	opts.Format, opts.FormatString, opts.TimeZone = o.Format, o.LogFormatString, zone
	if o.AvroSchema != "" {
		if opts.Format, opts.FormatString, err = o.avroSchema(); err != nil {
			return opts, usageError{err}
		}
	}
	opts.MaxLateness, opts.MaxAhead = time.Duration(o.MaxLateness), time.Duration(o.MaxAhead)
	return opts, nil
}

// avroSchema returns the format, and its definition from the file of the schema, without white space.
func (o QueryOptions) avroSchema() (name, text string, err error) {
	if name = o.Format; name == "" {
		name = "avro"
	}
	if !format.TakesText(name, "avro") && !format.TakesText(name, "avro_confluent") {
		return "", "", fmt.Errorf("--avro-schema needs --format avro or avro_confluent, or a list of formats with one of them in it without a definition, got %s", o.Format)
	}
	if o.LogFormatString != "" {
		return "", "", errors.New("--avro-schema and --log-format-string exclude each other: both are the definition of the format")
	}
	b, err := textfile.Read(o.AvroSchema)
	if err != nil {
		return "", "", fmt.Errorf("--avro-schema: %w", err)
	}
	var schema bytes.Buffer
	if err := json.Compact(&schema, b); err != nil {
		return "", "", fmt.Errorf("--avro-schema: %s: expected JSON: %w", o.AvroSchema, err)
	}
	return name, schema.String(), nil
}

// text returns the query's text, and the file or option that it comes from.
func (o QueryOptions) text(fallback string) (text, from string, err error) {
	switch {
	case o.QueryFile != "":
		b, err := os.ReadFile(o.QueryFile)
		if err != nil {
			return "", "", usageError{fmt.Errorf("--query-file: %w", err)}
		}
		return string(b), o.QueryFile, nil
	case o.Query != "":
		return o.Query, "--query", nil
	case fallback != "":
		return fallback, "--query", nil
	}
	return "", "", usageError{errors.New(`--query or --query-file is missing. Example:
  --query 'INSERT INTO word_count SELECT word, COUNT(*) AS n FROM events GROUP BY word' --format words`)}
}

func (o JobOptions) config() mysqlout.Config {
	c := o.TableOptions.config()
	c.EvolveTable, c.Adopt, c.ContinueQuery = o.EvolveTable, o.Adopt, o.QueryChange == "continue"
	return c
}

func (o TableOptions) config() mysqlout.Config {
	c := mysqlout.DefaultConfig()
	c.Job, c.CreateTables, c.DeadLetterMaxBytes = o.Job, o.CreateTables, int(o.DeadLetterMaxBytes)
	return c
}

func formatNames() string { return strings.Join(format.Names(), ", ") }
