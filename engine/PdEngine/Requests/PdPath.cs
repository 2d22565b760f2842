namespace PdEngine;

/// <summary>How a request came from its prompt to its output.</summary>
public enum PdPath
{
    /// <summary>One worker did both.</summary>
    Local,

    /// <summary>Its blocks changed owner inside one memory domain; no byte moved.</summary>
    Handoff,

    /// <summary>Its blocks were copied between memory domains.</summary>
    Copy,
}
