// Package flume holds the tests with real Flume agents: they record what each sink and source sends, byte for byte, as
// golden files next to the code that must understand it, and run end to end from an agent's files through etl to MySQL,
// with every kind of sink, while etl and the agent are killed.
//
// The tests need the build tag integration, and their names begin with TestReal_; scripts/test runs them. With -rewrite
// they write the golden files. Package jvmtest documents what they need.
package flume
