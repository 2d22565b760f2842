namespace PdEngine.Host;

/// <summary>What a log line looks like; its fields are the same.</summary>
internal enum LogFormat
{
    /// <summary>An object.</summary>
    Json,

    /// <summary><c>name=value</c>, spaces between; a value that is no plain word is a JSON string.</summary>
    Text,
}
