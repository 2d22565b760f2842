namespace PdEngine.Host;

/// <summary>
/// A file or folder under a name of its own until it is whole; what an earlier run left there is taken away.
/// </summary>
internal sealed class PartialOutput : IDisposable
{
    private readonly string _target;
    private readonly bool _isFolder;
    private bool _isWhole;

    public PartialOutput(string target, bool isFolder)
    {
        (_target, _isFolder) = (Path.GetFullPath(target), isFolder);
        Place = Beside("partial");
        Remove(Place);
        if (isFolder)
            Directory.CreateDirectory(Place);
    }

    /// <summary>Where to write.</summary>
    public string Place { get; }

    /// <summary>Gives it its name, in the place of what is there.</summary>
    public void Commit()
    {
        string replaced = Beside("replaced");
        Remove(replaced);
        if (_isFolder && Directory.Exists(_target))
            Directory.Move(_target, replaced);
        if (_isFolder)
            Directory.Move(Place, _target);
        else
            File.Move(Place, _target, overwrite: true);
        _isWhole = true;
        Remove(replaced);
    }

    public void Dispose()
    {
        if (!_isWhole)
            Remove(Place);
    }

    private string Beside(string kind) =>
        Path.Combine(Path.GetDirectoryName(_target)!, $".{kind}-{Path.GetFileName(_target)}");

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        else
            File.Delete(path);
    }
}
