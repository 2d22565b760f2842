namespace PdEngine.Bench;

/// <summary>Gives llama.cpp the weights that we run; it reads GGUF only.</summary>
internal static class LlamaCheckpoint
{
    /// <summary>The same weights written out in bf16 and loaded; null, with the reason told, where the peer
    /// cannot be had.</summary>
    public static LlamaCpp? TryOpen(ICheckpoint checkpoint, Action<string> progress)
    {
        string file = Path.Combine(Path.GetTempPath(), $"pdengine-bench-{Environment.ProcessId}.gguf");
        try
        {
            GgufExport.Write(
                checkpoint, file, GgufType.BF16,
                RandomVocabulary.Make(checkpoint.Config.VocabularySize, "gpt-2"));
            return LlamaCpp.Load(LlamaPackage.Folder(), file);
        }
        catch (Exception error) when (error is PeerException or CheckpointException)
        {
            progress($"peer missing: {error.Message}");
            return null;
        }
        finally
        {
            File.Delete(file);
        }
    }
}
