namespace PdEngine;

/// <summary>A tensor that a checkpoint holds.</summary>
/// <param name="StoredName">Its name in the file, for messages.</param>
/// <param name="Shape">Outermost first.</param>
/// <param name="Path">The file that holds it.</param>
internal readonly record struct StoredTensor(string StoredName, long[] Shape, string Path);
