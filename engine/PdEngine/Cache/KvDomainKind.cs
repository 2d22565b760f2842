namespace PdEngine;

/// <summary>Which devices share one KV memory.</summary>
public enum KvDomainKind
{
    /// <summary>All CPU devices: a hand-off changes the owner of blocks and moves no byte.</summary>
    Host,

    /// <summary>Each device has its own: a hand-off copies blocks.</summary>
    Device,
}
