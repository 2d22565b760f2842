namespace PdEngine;

/// <summary>Folders that hold changes in formats of others, which are not read.</summary>
internal static class DeltaFolders
{
    /// <exception cref="WeightUpdateException">It is one.</exception>
    public static void Refuse(string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException(folder, "there is no such folder");
        foreach (string path in Directory.EnumerateFiles(folder))
        {
            string name = Path.GetFileName(path);
            bool isDelta = name.Contains("delta", StringComparison.OrdinalIgnoreCase)
                || name.EndsWith(".zst", StringComparison.OrdinalIgnoreCase);
            if (isDelta)
            {
                throw new WeightUpdateException(
                    $"'{Shown.Line(path)}' looks like an on-disk delta of slime (update-weight-mode delta) "
                    + "or of Miles (disk-delta); neither format is read. Push whole tensors from a "
                    + "folder, or changed elements with AddDelta");
            }
        }
    }
}
