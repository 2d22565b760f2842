namespace PdEngine.Bench;

/// <summary>A peer cannot be run here; its column then says why and no ratio is claimed.</summary>
internal sealed class PeerException : PdEngineException
{
    public PeerException(string message)
        : base($"llama.cpp: {message}")
    {
    }
}
