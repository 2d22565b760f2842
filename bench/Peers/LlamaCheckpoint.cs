namespace PdEngine.Bench;

/// <summary>Gives llama.cpp the weights that we run; it reads GGUF only.</summary>
internal static class LlamaCheckpoint
{
    /// <summary>The same weights written out and loaded; null, with the reason told, where the peer cannot be
    /// had.</summary>
    /// <param name="checkpoint">The weights.</param>
    /// <param name="progress">Hears why it cannot.</param>
    /// <param name="type">Type of the peer's matrices.</param>
    public static LlamaCpp? TryOpen(
        ICheckpoint checkpoint, Action<string> progress, GgufType type = GgufType.BF16)
    {
        bool stays = RandomModel.IsOurs(checkpoint.Path);
        string folder = stays ? checkpoint.Path : Path.GetTempPath();
        string file = Path.Combine(folder, stays ? $"{type}.gguf" : $"pdengine-{Environment.ProcessId}.gguf");
        try
        {
            string package = LlamaPackage.Folder();
            if (!stays || !File.Exists(file))
                Write(checkpoint, file, type);
            return LlamaCpp.Load(package, file);
        }
        catch (Exception error) when (error is PeerException or CheckpointException or IOException)
        {
            progress($"peer missing: {error.Message}");
            return null;
        }
        finally
        {
            if (!stays)
                File.Delete(file);
        }
    }

    /// <summary>Written aside first, so that another process cannot meet half a file.</summary>
    private static void Write(ICheckpoint checkpoint, string file, GgufType type)
    {
        string aside = $"{file}.{Environment.ProcessId}";
        try
        {
            GgufExport.Write(
                checkpoint, aside, type, RandomVocabulary.Make(checkpoint.Config.VocabularySize, "gpt-2"));
            File.Move(aside, file, overwrite: true);
        }
        finally
        {
            File.Delete(aside);
        }
    }
}
