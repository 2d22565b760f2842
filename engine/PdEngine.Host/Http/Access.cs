namespace PdEngine.Host;

/// <summary>What a caller may do, and what a route asks of him.</summary>
internal enum Access
{
    /// <summary>Whether the server is well.</summary>
    Open,

    /// <summary>Generation and everything that only reads.</summary>
    Ordinary,

    /// <summary>What changes the server for everybody.</summary>
    Admin,
}
