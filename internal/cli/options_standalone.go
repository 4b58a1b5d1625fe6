package cli

// StandaloneOptions are the options that cmd/standalone has beside those of etl run.
type StandaloneOptions struct {
	KafkaListen string `group:"standalone" common:"Address of the embedded broker." default:"127.0.0.1:19092" placeholder:"HOST:PORT" help:"Address of the embedded broker (default 127.0.0.1:19092)."`
	MysqlListen string `group:"standalone" common:"Address of the embedded database." default:"127.0.0.1:13306" placeholder:"HOST:PORT" help:"Address of the embedded database (default 127.0.0.1:13306). Anyone who can connect has full access."`
	DataDir     string `group:"standalone" common:"Directory of the broker's log." placeholder:"FOLDER" help:"Directory of the embedded broker's log, which is never truncated (default: a temporary directory that is removed at exit)."`
	Demo        bool   `group:"standalone" common:"Send generated lines, and show the table." help:"Send generated access-log lines through the Avro receiver, and show the table as it grows."`
	DemoRate    int    `group:"standalone" default:"1000" help:"Events per second of the demo."`
}
