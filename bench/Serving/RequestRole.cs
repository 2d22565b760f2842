namespace PdEngine.Bench;

/// <summary>What a request is measured for.</summary>
internal enum RequestRole
{
    /// <summary>A running stream: its gaps count.</summary>
    Stream,

    /// <summary>A prompt that arrives amid the streams: its time to first token counts.</summary>
    Injected,

    /// <summary>A turn of a session: both count.</summary>
    Turn,
}
