namespace PdEngine;

/// <summary>What the workers of a server group do.</summary>
public enum WorkerType
{
    /// <summary>Prefill and decode in one worker.</summary>
    Regular,

    /// <summary>Prefill only; sequences are handed to a decode worker.</summary>
    Prefill,

    /// <summary>Decode only.</summary>
    Decode,

    /// <summary>Reserves devices and makes no worker.</summary>
    Placeholder,

    /// <summary>Encodes images; listed, but refused where weights are loaded.</summary>
    Encoder,
}
