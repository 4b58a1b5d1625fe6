// Package flume holds the tests with real Flume agents: what each of their sinks and sources says, byte for byte, kept as
// goldens beside the code that must understand it, and the whole way from an agent's files through etl to MySQL, with
// every kind of sink, while etl and the agent are killed.
//
// The tests are behind the build tag integration and begin with TestReal_; scripts/test runs them. With -rewrite, the
// goldens are made anew. Package jvmtest says what they need.
package flume
