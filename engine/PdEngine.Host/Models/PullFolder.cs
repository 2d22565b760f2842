namespace PdEngine.Host;

/// <summary>The folder that a model is pulled into; what is not whole yet lies in one of its own.</summary>
internal sealed class PullFolder
{
    public const string PartialsName = ".pdengine-pull";

    private readonly string _partials;

    public PullFolder(string path)
    {
        Path = System.IO.Path.GetFullPath(path);
        if (File.Exists(Path))
            throw new OptionsException("--to", $"'{path}' is a file");
        Directory.CreateDirectory(Path);
        _partials = System.IO.Path.Combine(Path, PartialsName);
    }

    public string Path { get; }

    /// <summary>Where a file is to be, its folder made.</summary>
    /// <exception cref="OptionsException">A link on the way leaves the folder.</exception>
    public string PlaceOf(HubFile file)
    {
        string place = System.IO.Path.Combine(Path, file.Name);
        string root = RealPath.Of(Path)!;
        // Made one by one: a link that lies there must not have folders made behind it.
        string at = Path;
        foreach (string part in file.Name.Split('/')[..^1])
        {
            at = System.IO.Path.Combine(at, part);
            if (!System.IO.Path.Exists(at) && new FileInfo(at).LinkTarget is null)
                Directory.CreateDirectory(at);
            if (RealPath.Of(at) is not { } real || !RealPath.IsInside(real, root))
                throw new OptionsException("--to", $"'{at}' is a link that leaves the folder");
        }
        return place;
    }

    /// <summary>Where so much of a file lies as is there.</summary>
    public string PartialOf(HubFile file)
    {
        Directory.CreateDirectory(_partials);
        if (new DirectoryInfo(_partials).LinkTarget is not null)
            throw new OptionsException("--to", $"'{_partials}' is a link");
        string name = $"{file.Name.Replace('/', '@')}.{file.Key}";
        return System.IO.Path.Combine(_partials, name.Length <= 220 ? name : $"{name[^220..]}");
    }

    /// <summary>Bytes of a file that are there already.</summary>
    public long HeldBytes(HubFile file)
    {
        FileInfo partial = new(PartialOf(file));
        return partial.Exists && file.HasHash ? Math.Min(partial.Length, file.Bytes) : 0;
    }

    /// <summary>Whether the whole file is there.</summary>
    public async Task<bool> HasAsync(HubFile file, CancellationToken cancellation)
    {
        string place = PlaceOf(file);
        FileInfo there = new(place);
        if (!there.Exists || there.Length != file.Bytes || there.LinkTarget is not null)
            return false;
        using FileStream content = File.OpenRead(place);
        using ContentHash hash = new(file);
        await hash.AppendAsync(content, cancellation).ConfigureAwait(false);
        return file.IsOf(hash.Finish());
    }

    /// <summary>Whether something lies where a file is to be.</summary>
    /// <exception cref="OptionsException">It is a folder, which a file cannot take the place of.</exception>
    public bool IsTaken(HubFile file)
    {
        FileInfo there = new(PlaceOf(file));
        if (Directory.Exists(there.FullName) && there.LinkTarget is null)
            throw new OptionsException("--to", $"'{there.FullName}' is a folder, and a file of the model");
        return there.Exists || there.LinkTarget is not null;
    }

    /// <summary>
    /// Gives files that have come their names, and takes away those that are gone. The configuration goes
    /// first and comes last: a run that ends between leaves no model that could be read as one.
    /// </summary>
    /// <param name="come">Whole, under names of their own.</param>
    /// <param name="gone">Files that are not the model's any more.</param>
    /// <param name="config">The configuration, where it is the model's; among those that came or not.</param>
    public void Place(IReadOnlyList<HubFile> come, IReadOnlyList<HubFile> gone, HubFile? config)
    {
        if (config is not null && IsTaken(config) && (gone.Count > 0 || come.Any(IsTaken)))
        {
            if (come.Contains(config))
                File.Delete(PlaceOf(config));
            else
                File.Move(PlaceOf(config), PartialOf(config), overwrite: true);
        }
        foreach (HubFile file in gone)
            File.Delete(PlaceOf(file));
        foreach (HubFile file in come.Where(file => file != config))
            File.Move(PartialOf(file), PlaceOf(file), overwrite: true);
        if (config is not null && File.Exists(PartialOf(config)))
            File.Move(PartialOf(config), PlaceOf(config), overwrite: true);
    }

    /// <summary>Takes away what no later run can go on from.</summary>
    public void Tidy()
    {
        if (Directory.Exists(_partials))
            Directory.Delete(_partials, recursive: true);
    }
}
